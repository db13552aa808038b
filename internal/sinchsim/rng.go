package sinchsim

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
)

// rng gives every call its own random numbers: the n-th stream of a seed is the
// same whatever else goes on, and no lock is shared between calls.
type rng struct {
	seed uint64
	run  string // distinguishes the ids of two simulators
	n    atomic.Uint64
}

func newRNG(seed uint64) *rng {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // a simulator's seed, nothing secret
	}
	d := &rng{seed: seed}
	d.run = strconv.FormatUint(d.stream(0).Uint64(), 36)
	return d
}

func (d *rng) stream(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(d.seed, n)) //nolint:gosec // repeatable on purpose
}

func (d *rng) next() *rand.Rand { return d.stream(d.n.Add(1)) }

// trackingID looks like Sinch's, which are base64 of a text such as MMS_597879.
func (d *rng) trackingID(n uint64) string {
	return base64.StdEncoding.EncodeToString([]byte("MMS_" + d.run + "_" + strconv.FormatUint(n, 10)))
}

// newULID is an id of 26 characters, as those of Sinch: the time in milliseconds
// and 80 random bits.
func newULID(at time.Time, r *rand.Rand) string {
	var id ulid.ULID
	binary.BigEndian.PutUint64(id[len(id)-8:], r.Uint64())
	binary.BigEndian.PutUint16(id[len(id)-10:], uint16(r.Uint64()))
	_ = id.SetTime(uint64(max(at.UnixMilli(), 0))) // fails in the year 10889
	return id.String()
}
