"""From the structs of ``xds.kinds`` to CustomResourceDefinitions, which make an API server take those kinds. Pure."""
