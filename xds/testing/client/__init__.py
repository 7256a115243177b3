"""The client program that runs inside a pod and makes requests there, as an application in it would.

It runs as ``python -m xds.testing.client`` and takes jobs on its standard input, one JSON object a line: an ``id``, a
``kind`` (http, tcp, websocket, grpc), ``stop`` to end the job of that id early, and what the kind takes. For each
answer it writes a JSON line with the ``id``, at last one with ``done``. Jobs run at the same time, each in a thread.
"""
