module example.com/consumer

go 1.26.0

require github.com/flagship-go/flagship v0.0.0

replace github.com/flagship-go/flagship => ../..
