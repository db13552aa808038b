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

// RNG gives every call its own random numbers: the n-th stream of a seed does not
// depend on other calls, and calls share no lock.
type RNG struct {
	seed uint64
	Run  string // distinguishes the ids of two simulators
	n    atomic.Uint64
}

func newRNG(seed uint64) *RNG {
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // a simulator's seed, nothing secret
	}
	d := &RNG{seed: seed}
	d.Run = strconv.FormatUint(d.stream(0).Uint64(), 36)
	return d
}

func (d *RNG) stream(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(d.seed, n)) //nolint:gosec // repeatable on purpose
}

// Next returns the stream of the next call.
func (d *RNG) Next() *rand.Rand { return d.stream(d.n.Add(1)) }

// TrackingID has the form of Sinch's, base64 of a text such as MMS_597879.
func (d *RNG) TrackingID(n uint64) string {
	return base64.StdEncoding.EncodeToString([]byte("MMS_" + d.Run + "_" + strconv.FormatUint(n, 10)))
}

// NewULID is an id of 26 characters, as those of Sinch: the time in milliseconds
// and 80 random bits.
func NewULID(at time.Time, r *rand.Rand) string {
	var id ulid.ULID
	binary.BigEndian.PutUint64(id[len(id)-8:], r.Uint64())
	binary.BigEndian.PutUint16(id[len(id)-10:], uint16(r.Uint64())) //nolint:gosec // the low bits are wanted
	_ = id.SetTime(uint64(max(at.UnixMilli(), 0)))                  // fails in the year 10889
	return id.String()
}
