// Package filters is what happens to requests on their way in, and to answers on their way out.
package filters
