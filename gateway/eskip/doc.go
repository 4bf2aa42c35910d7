// Package eskip is Skipper's route language: text to routes and back.
package eskip
