"""What a control plane writes into its cluster: who leads, what became of objects, and what each replica knows."""
