"""The control plane's own traces: one for each change, from the source's word to the last proxy's ACK."""
