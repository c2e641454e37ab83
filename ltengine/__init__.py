"""The science of LTForge: a trained network and a spec in, a strong lottery ticket out.

Importing this package is cheap; its modules are imported by name
(``ltengine.pipeline``, ``ltengine.specification``, ``ltengine.verification``).
"""

ENGINE_VERSION = "0.1.0"
"""Written into every ticket. Equals the distribution's version (a test says so)."""
