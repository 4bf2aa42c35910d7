package rafttest
