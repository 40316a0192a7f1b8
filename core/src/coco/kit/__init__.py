"""Helpers for authors of operations: what most connectors need and none should write again.

| module | for |
|---|---|
| ``adapters`` | sync and async code calling each other |
| ``batching`` | lists within limits on number and bytes |
| ``interruption`` | letting the engine end a call that takes too long |
| ``iso_text`` | UUIDs, dates, times and spans of time as text, and back |
| ``json_data`` | values of any type as JSON data, and back |
| ``naming`` | default names of resources, within a product's limit on length |
| ``packed`` | engine values as bytes, and back |
| ``plain`` | specs, keys and setup states as plain data, and back |
| ``quoting`` | names and literals as text of SQL and Cypher |
| ``retry`` | trying again after faults that pass |
| ``secrets`` | values of references to secrets, where a connection is made; addresses without passwords |
| ``state_diff`` | what to add, alter and drop, from any of several former states |
| ``values`` | engine values from Python values, and back |

Import from the modules; each stands alone. Functions only, nothing to inherit from.
"""
