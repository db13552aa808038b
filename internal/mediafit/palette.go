package mediafit

import (
	"cmp"
	"image/color"
	"math"
	"slices"
)

const (
	// A histogram tells colours apart by the upper five bits of each channel, which a
	// palette of at most 256 colours cannot show better.
	channelBits = 5
	channels    = 3
	binCount    = 1 << (channels * channelBits)
)

// bin is the number of a colour in a histogram.
func bin(r, g, b uint8) int {
	const drop = 8 - channelBits
	return int(r>>drop)<<(2*channelBits) | int(g>>drop)<<channelBits | int(b>>drop)
}

// histogram counts the colours of pictures.
type histogram struct {
	count [binCount]uint64
	sum   [binCount][channels]uint64 // of each channel, for the mean colour
}

// add counts opaque pixels, four bytes each.
func (h *histogram) add(pix []uint8) {
	for ; len(pix) >= pixelRGBA; pix = pix[pixelRGBA:] {
		i := bin(pix[0], pix[1], pix[2])
		h.count[i]++
		sum := &h.sum[i]
		sum[0] += uint64(pix[0])
		sum[1] += uint64(pix[1])
		sum[2] += uint64(pix[2])
	}
}

// weighted is a colour and how many pixels have it.
type weighted struct {
	rgb   [channels]uint8
	count uint64
}

// palette is at most n colours that stand for all of the histogram, by median cut: the
// group of colours that loses most by having one colour is split at its median.
func (h *histogram) palette(n int) []color.RGBA {
	var all []weighted
	for i := range h.count {
		if count := h.count[i]; count > 0 {
			sum := h.sum[i]
			all = append(all, weighted{[channels]uint8{mean(sum[0], count), mean(sum[1], count), mean(sum[2], count)}, count})
		}
	}
	groups := [][]weighted{all}
	for len(groups) < n {
		worst, most := -1, uint64(0)
		for i, group := range groups {
			if _, width := longest(group); uint64(width)*population(group) > most {
				worst, most = i, uint64(width)*population(group)
			}
		}
		if worst < 0 {
			break // no group has two colours
		}
		left, right := split(groups[worst])
		groups[worst] = left
		groups = append(groups, right)
	}
	colours := make([]color.RGBA, 0, n)
	for _, group := range groups {
		colours = append(colours, average(group))
	}
	return colours
}

func mean(sum, count uint64) uint8 { return uint8((sum + count/2) / count) } //nolint:gosec // the mean of bytes

func population(group []weighted) uint64 {
	total := uint64(0)
	for _, w := range group {
		total += w.count
	}
	return total
}

// longest is the channel in which the colours of a group differ most, and by how much.
func longest(group []weighted) (channel int, width uint8) {
	for c := range channels {
		low, high := uint8(math.MaxUint8), uint8(0)
		for _, w := range group {
			low, high = min(low, w.rgb[c]), max(high, w.rgb[c])
		}
		if high > low && high-low > width {
			channel, width = c, high-low
		}
	}
	return channel, width
}

// split divides a group of at least two colours where half of its pixels are on each side.
func split(group []weighted) (left, right []weighted) {
	channel, _ := longest(group)
	slices.SortFunc(group, func(a, b weighted) int { return cmp.Compare(a.rgb[channel], b.rgb[channel]) })
	half, passed := population(group)/2, uint64(0)
	for i := range len(group) - 1 {
		if passed += group[i].count; passed >= half || i == len(group)-2 {
			return group[: i+1 : i+1], group[i+1:]
		}
	}
	return group, nil
}

func average(group []weighted) color.RGBA {
	var sums [channels]uint64
	total := max(1, population(group))
	for _, w := range group {
		for c := range sums {
			sums[c] += uint64(w.rgb[c]) * w.count
		}
	}
	return color.RGBA{mean(sums[0], total), mean(sums[1], total), mean(sums[2], total), 255}
}

// matcher finds the nearest colour of a palette. It computes each bin once.
type matcher struct {
	colours []color.RGBA
	nearest [binCount]int16 // plus one; 0: not computed yet
}

func newMatcher(colours []color.RGBA) *matcher { return &matcher{colours: colours} }

// match is the index of the nearest colour.
func (m *matcher) match(r, g, b uint8) uint8 {
	i := bin(r, g, b)
	if m.nearest[i] == 0 {
		best, least := 0, distance(m.colours[0], r, g, b)
		for k, c := range m.colours[1:] {
			if d := distance(c, r, g, b); d < least {
				best, least = k+1, d
			}
		}
		m.nearest[i] = int16(best) + 1
	}
	return uint8(m.nearest[i] - 1) //nolint:gosec // at most 256 colours
}

// distance is the square of how far a colour is from another one.
func distance(c color.RGBA, r, g, b uint8) int {
	dr, dg, db := int(c.R)-int(r), int(c.G)-int(g), int(c.B)-int(b)
	return dr*dr + dg*dg + db*db
}
