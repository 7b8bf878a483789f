"""What nginx does at the edge, told to Prometheus and to a collector of traces: a process beside it, in its pod.

nginx sends a line of each request (deploy/edge/conf/eyes.conf) by UDP to 127.0.0.1 and waits for nobody: without this
process it serves as ever. It runs on the platform's image and imports nothing of Django.
"""
