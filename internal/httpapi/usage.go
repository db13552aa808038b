package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const (
	usageDaysMax     = 92
	usageDaysDefault = 30
)

// usageDay is what happened to messages in a UTC day.
type usageDay struct {
	Date        string `json:"date"`
	Accepted    int64  `json:"accepted"`
	Duplicates  int64  `json:"duplicates"`
	Rejected    int64  `json:"rejected"`
	Sent        int64  `json:"sent"`
	Delivered   int64  `json:"delivered"`
	Undelivered int64  `json:"undelivered"`
	Failed      int64  `json:"failed"`
	Expired     int64  `json:"expired"`
	Canceled    int64  `json:"canceled"`
	Unknown     int64  `json:"unknown"`
}

func showUsage(day time.Time, u ledger.Usage) usageDay {
	return usageDay{
		Date: day.Format(time.DateOnly), Accepted: u.Accepted, Duplicates: u.Duplicates, Rejected: u.Rejected,
		Sent: u.Entered[message.StatusSent], Delivered: u.Entered[message.StatusDelivered],
		Undelivered: u.Entered[message.StatusUndelivered], Failed: u.Entered[message.StatusFailed],
		Expired: u.Entered[message.StatusExpired], Canceled: u.Entered[message.StatusCanceled], Unknown: u.Entered[message.StatusUnknown],
	}
}

// usage answers what happened to the messages of the caller, day by day.
func (a *api) usage(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "from", "to")
	first, days := a.days(q)
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	usage, err := a.Ledger.Usage(ctx, caller.Scope, first, days)
	if err != nil {
		return err
	}
	answer := struct {
		Data []usageDay `json:"data"`
	}{Data: make([]usageDay, days)}
	for i, u := range usage {
		answer.Data[i] = showUsage(first.AddDate(0, 0, i), u)
	}
	writeJSON(c, http.StatusOK, answer)
	return nil
}

// days reads the UTC days of the parameters from and to: at most 92, by default the
// last 30.
func (a *api) days(q *query) (first time.Time, days int) {
	day := func(name string, otherwise time.Time) time.Time {
		text, given := q.get(name)
		if !given {
			return otherwise
		}
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			q.wrong(name, message.ProblemInvalid, "must be a day such as 2026-11-30")
		}
		return at
	}
	const length = 24 * time.Hour
	last := day("to", a.now().Truncate(length))
	first = day("from", last.AddDate(0, 0, 1-usageDaysDefault))
	if len(q.problems) > 0 {
		return first, 0
	}
	days = int(last.Sub(first)/length) + 1
	switch {
	case days < 1:
		q.wrong("from", message.ProblemConflict, "must not be after to")
	case days > usageDaysMax:
		q.wrong("from", message.ProblemTooMany, "at most 92 days at a time")
	}
	return first, days
}

// countDuplicate counts a message that was submitted again.
func (a *api) countDuplicate(c echo.Context, caller Caller, lane string) {
	a.Metrics.Message(lane, "duplicate")
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.Ledger.CountDuplicate(ctx, caller.Scope); err != nil {
		a.Log.Warn().Str("request_id", callOf(c).logged).Err(err).Msg("duplicate not counted in the usage")
	}
}
