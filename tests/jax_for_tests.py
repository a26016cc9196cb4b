"""Processes of tests that run JAX."""

QUICK_COMPILATION = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
}
"""Variables that halve the time of compilation, which is most of the time of these processes."""
