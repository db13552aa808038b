package pages

import (
	"fmt"
	"strings"
	"time"

	"mmsdispatch/internal/status"
)

// chart is a line over the last hour.
type chart struct {
	Title  string
	Unit   string
	Latest string
	Most   string
	Points string // of an SVG polyline
	Marks  []mark // changes, drawn as vertical lines
}

// The size of a chart, in units of its SVG.
const (
	chartWidth  = 600
	chartHeight = 80
	chartPoints = 60
)

// chartsOf draws the rates and the waiting messages of the last hour, with the changes
// in it.
func chartsOf(samples []status.Sample, marks []mark) []chart {
	if len(samples) < 2 {
		return nil
	}
	var accepted, sent, waiting, places []float64
	first, last := samples[0].At, samples[len(samples)-1].At
	step := max(1, len(samples)/chartPoints)
	for i := step; i < len(samples); i += step {
		before, after := samples[i-step], samples[i]
		seconds := after.At.Sub(before.At).Seconds()
		if seconds <= 0 {
			continue
		}
		events := after.Since(before)
		places = append(places, placeOf(after.At, first, last))
		accepted = append(accepted, float64(events.Accepted)/seconds)
		sent = append(sent, float64(events.Sent)/seconds)
		waiting = append(waiting, float64(after.Waiting))
	}
	charts := []chart{
		line("Accepted", "messages per second", accepted, places), line("Sent", "messages per second", sent, places),
		line("Waiting", "messages", waiting, places),
	}
	for i := range charts {
		charts[i].Marks = marks
	}
	return charts
}

// placeOf is the place of a time on a chart.
func placeOf(at, first, last time.Time) float64 {
	span := last.Sub(first)
	if span <= 0 {
		return 0
	}
	return min(max(float64(at.Sub(first))/float64(span), 0), 1) * chartWidth
}

// line draws values at their places on the chart; nil: one behind the other.
func line(title, unit string, values, places []float64) chart {
	c := chart{Title: title, Unit: unit, Latest: "0", Most: "0"}
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	var points strings.Builder
	for i, v := range values {
		x := float64(i) * chartWidth / float64(max(1, len(values)-1))
		if places != nil {
			x = places[i]
		}
		y := float64(chartHeight)
		if highest > 0 {
			y -= v / highest * chartHeight
		}
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
	}
	c.Points = points.String()
	if len(values) > 0 {
		c.Latest, c.Most = fmt.Sprintf("%.1f", values[len(values)-1]), fmt.Sprintf("%.1f", highest)
	}
	return c
}
