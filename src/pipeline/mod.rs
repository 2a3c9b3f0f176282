//! source -> select -> map -> plan -> push -> ledger. Knows no Kubernetes.
