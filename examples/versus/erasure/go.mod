module github.com/flagship-go/flagship/examples/versus/erasure

go 1.26.0

require (
	github.com/flagship-go/flagship v0.0.0
	github.com/klauspost/reedsolomon v1.14.2
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/flagship-go/flagship => ../../..
