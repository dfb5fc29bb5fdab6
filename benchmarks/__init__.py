"""How fast Warta is, as ratios within one run: `python -m benchmarks [NAME…] [--quick] [--json FILE]`.

Each benchmark runs in a process of its own, with its own throwaway database, folders and sinks, on loopback only.
"""
