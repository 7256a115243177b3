"""From text to structs of ``xds.kinds``: parsing, and every fault in the shape of what a user wrote, with its line."""
