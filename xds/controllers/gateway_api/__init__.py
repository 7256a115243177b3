"""What a control plane writes into its cluster for the Gateway API: classes, the proxies of gateways, status."""
