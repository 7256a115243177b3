"""Decoders of the Gateway API's kinds: to xds.model.gateway_api."""
