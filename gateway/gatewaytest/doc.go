// Package gatewaytest grades proxies.
package gatewaytest
