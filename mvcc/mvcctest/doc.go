package mvcctest
