package sinchsim

import (
	"encoding/base64"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// dice gives every call its own random numbers: the n-th roll of a seed is the
// same whatever else goes on, and no lock is shared between calls.
type dice struct {
	seed uint64
	run  string // tells the ids of two simulators apart
	n    atomic.Uint64
}

func newDice(seed uint64) *dice {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // a simulator's seed, nothing secret
	}
	d := &dice{seed: seed}
	d.run = strconv.FormatUint(d.stream(0).Uint64(), 36)
	return d
}

func (d *dice) stream(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(d.seed, n)) //nolint:gosec // repeatable on purpose
}

func (d *dice) roll() *rand.Rand { return d.stream(d.n.Add(1)) }

// trackingID looks like Sinch's, which are base64 of a text such as MMS_597879.
func (d *dice) trackingID(n uint64) string {
	return base64.StdEncoding.EncodeToString([]byte("MMS_" + d.run + "_" + strconv.FormatUint(n, 10)))
}

const (
	crockford    = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	ulidLen      = 26
	ulidTimeLen  = 10
	base32Bits   = 5
	base32Mask   = 1<<base32Bits - 1
	ulidHalfRand = 8 // characters drawn from one random word
)

// ulid is a 26-character id: ten for the time in milliseconds, sixteen drawn.
func ulid(at time.Time, r *rand.Rand) string {
	var id [ulidLen]byte
	ms := uint64(max(at.UnixMilli(), 0)) // not negative
	for i := ulidTimeLen - 1; i >= 0; i-- {
		id[i] = crockford[ms&base32Mask]
		ms >>= base32Bits
	}
	for i := ulidTimeLen; i < ulidLen; i += ulidHalfRand {
		word := r.Uint64()
		for j := range ulidHalfRand {
			id[i+j] = crockford[word&base32Mask]
			word >>= base32Bits
		}
	}
	return string(id[:])
}
