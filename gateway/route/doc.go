// Package route finds the route of a request in a table that never changes.
package route
