"""Generates ``xds/api`` from the descriptors of xds-protos and of the Envoy binary; runs at build time only."""
