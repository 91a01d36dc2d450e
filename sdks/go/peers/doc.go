// Package peers holds tests of the SDK beside programs of others: a NATS broker, errgroup. It is a
// module of its own, so that the SDK itself depends on the standard library only.
package peers
