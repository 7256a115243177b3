"""Why a call failed: from what a proxy said of it to the fields that decided that."""
