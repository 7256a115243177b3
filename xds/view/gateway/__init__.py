"""Gateways: what a router is sent, whichever kind says so."""
