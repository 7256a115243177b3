//go:build needs

// Package conformance names what is built of others' modules, so that go.mod and go.sum keep it.
package conformance

import (
	_ "sigs.k8s.io/gateway-api/conformance"
)
