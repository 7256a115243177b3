"""What Envoy does with a change of its configuration, told before it is sent: what drains, what stays as it is."""
