// Package upstream is where requests go: pools of endpoints, who is picked, and who is left alone for a while.
package upstream
