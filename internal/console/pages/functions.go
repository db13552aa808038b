package pages

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/message"
)

// functions are those that the templates call.
func functions() template.FuncMap {
	return template.FuncMap{
		"places": places,
		"control": func(path, name string, of *problemRow) control {
			return control{problem: of.problem, Path: path, Name: name}
		},
		"commands":    commands,
		"states":      func() []string { return []string{"pending", "delivered", "failed"} },
		"statusClass": statusClass,
		"plural":      plural,
		"mask":        func(number string) template.HTML { return unbroken("span", message.Masked(number)) },
		"stamp":       func(t any) template.HTML { return unbroken("time", stamp(t)) },
		"length":      length,
		"host":        hostOf,
		"kind":        kindOf,
		"scope":       maskedScope,
		"number":      func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) },
		"seconds": func(x float64) string {
			return length(time.Duration(x * float64(time.Second)))
		},
		"until": until,
		"since": func(now, t time.Time) string {
			if t.IsZero() {
				return "–"
			}
			return length(now.Sub(t))
		},
	}
}

// unbroken is a text that is not broken into lines.
func unbroken(element, text string) template.HTML {
	escaped := template.HTMLEscapeString(text)
	return template.HTML("<" + element + ` class="unbroken">` + escaped + "</" + element + ">") //nolint:gosec // escaped
}

// stamp is a time in UTC, to the second.
func stamp(t any) string {
	switch t := t.(type) {
	case *time.Time:
		if t != nil {
			return stamp(*t)
		}
	case time.Time:
		if !t.IsZero() {
			return t.UTC().Format("2006-01-02 15:04:05Z")
		}
	}
	return "–"
}

// length is a duration in at most two units.
func length(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "in " + length(-d)
	case d == 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int((d % time.Minute).Seconds()))
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int((d % time.Hour).Minutes()))
	default:
		return fmt.Sprintf("%d d %d h", int(d/day), int((d % day).Hours()))
	}
}

// until is the time that is left.
func until(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "–"
	case !t.After(now):
		return "due"
	default:
		return length(t.Sub(now))
	}
}

// hostOf is the host of a URL: the rest may hold secrets.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "–"
	}
	return u.Host
}

const (
	kindLive = "live"
	kindTest = "test"
)

func kindOf(scope message.Scope) string {
	if scope.Test {
		return kindTest
	}
	return kindLive
}

// maskedScope is the scope of a pause without the number of a sender.
func maskedScope(scope string) string {
	if number, ok := strings.CutPrefix(scope, senderKind); ok {
		return senderKind + message.Masked(number)
	}
	return scope
}

// control is a change of a group, as the page of problems offers it.
type control struct {
	problem

	Path, Name string
}

// place is an entry of the navigation.
type place struct{ Name, Path string }

func places() []place {
	return []place{
		{"Overview", Root},
		{"Messages", messagesPath},
		{"Batches", batchesPath},
		{"Problems", Root + "problems"},
		{"Tenants", Root + "tenants"},
		{"Senders", Root + "senders"},
		{"Opt-outs", Root + "optouts"},
		{"Callbacks", Root + "callbacks"},
		{"Workers", Root + "workers"},
		{"Audit", Root + "audit"},
		{"Queues", "/queues/"},
	}
}

// statusClass is the style of a state.
func statusClass(s message.Status) string {
	switch s {
	case message.StatusDelivered:
		return "good"
	case message.StatusFailed, message.StatusUndelivered:
		return "bad"
	case message.StatusUnknown, message.StatusExpired, message.StatusCanceled:
		return "warm"
	default:
		return ""
	}
}

// plural is a count of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
