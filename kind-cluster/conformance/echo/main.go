// The program of the suite's mesh pods (registry.k8s.io/gateway-api/echo-advanced): called `client` it sends requests and
// prints the answers, called anything else it answers. What it prints is what the suite's utils/echo reads.
package main

import (
	"os"
	"path/filepath"
)

// The messages are {string message = 1}: on the wire they are StringValue.
const (
	service = "proto.EchoTestService"
	method  = "Echo"
)

func main() {
	if filepath.Base(os.Args[0]) == "client" {
		ask(os.Args[1:])
		return
	}
	serve(os.Args[1:])
}
