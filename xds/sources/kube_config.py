"""How a cluster is reached: a kubeconfig's context, or the service account of the pod that this runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError


class NoCluster(Exception):
    """The cluster's address or credentials cannot be had; the text says which file, and why."""


def connect(kubeconfig: Path | None, *, context: str = "") -> Any:
    """A ``kubernetes.client.ApiClient`` for that kubeconfig's context (its current one when empty).

    Without a kubeconfig it is the cluster that this process is a pod of; its token is read anew as it is replaced.
    Errors: NoCluster.
    """
    configuration = client.Configuration()
    load: Any = config  # whose functions have no types
    try:
        if kubeconfig is None:
            load.load_incluster_config(client_configuration=configuration)
        else:
            load.load_kube_config(str(kubeconfig), context=context or None, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        where = "no cluster around this process" if kubeconfig is None else f"kubeconfig {kubeconfig}"
        raise NoCluster(f"{where}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, YAMLError):
        # What the package says where a file is none: errors of its own code, on the file's content.
        raise NoCluster(f"kubeconfig {kubeconfig}: is no kubeconfig") from None
    configuration.retries = 0
    return client.ApiClient(configuration)
