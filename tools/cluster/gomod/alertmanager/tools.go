//go:build tools

// Package tools names the program, so that go.mod and go.sum hold it.
package tools

import _ "github.com/prometheus/alertmanager/cmd/alertmanager"
