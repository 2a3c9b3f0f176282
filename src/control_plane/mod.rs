//! Starts a real kube-apiserver and etcd on loopback for tests and the cluster demo.
