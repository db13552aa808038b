package batches

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// batchReport is a report about a whole batch.
type batchReport struct {
	Type      string         `json:"type"`
	BatchID   string         `json:"batch_id"`
	Total     int            `json:"total_message_count"`
	Reference string         `json:"client_reference,omitzero"`
	Statuses  []reportStatus `json:"statuses"`
}

type reportStatus struct {
	Code       int      `json:"code"`
	Status     string   `json:"status"`
	Count      int      `json:"count"`
	Recipients []string `json:"recipients,omitzero"` // in full reports only
}

// recipientReport is a report about one recipient.
type recipientReport struct {
	Type       string `json:"type"`
	BatchID    string `json:"batch_id"`
	Recipient  string `json:"recipient"`
	Code       int    `json:"code"`
	Status     string `json:"status"`
	At         string `json:"at"`
	OperatorAt string `json:"operator_status_at,omitzero"`
	Operator   string `json:"operator,omitzero"`
	Reference  string `json:"client_reference,omitzero"`
}

// state is the latest step of a recipient at a time. Canceling stops recipients that
// were not dispatched by then.
func (b *batch) state(r recipient, now time.Time) sinchsim.Step {
	canceled := b.canceledAt()
	at := sinchsim.Step{Code: codeQueued, At: b.created}
	for _, s := range r.steps {
		if !canceled.IsZero() && at.Code == codeQueued && s.At.After(canceled) {
			return sinchsim.Step{Code: codeCancelled, At: canceled}
		}
		if s.At.After(now) {
			break
		}
		at = s
	}
	return at
}

// scheduledOnly reports that the batch was canceled before anything was sent,
// which leaves its report empty.
func (b *batch) scheduledOnly() bool {
	canceled := b.canceledAt()
	return !canceled.IsZero() && canceled.Before(b.request.sendAt)
}

func (b *batch) summary(now time.Time, full bool, keep func(sinchsim.Step) bool) batchReport {
	report := batchReport{
		Type: "delivery_report_" + b.request.form(), BatchID: b.id, Total: len(b.recipients),
		Reference: b.request.Reference, Statuses: []reportStatus{},
	}
	if b.scheduledOnly() {
		report.Total = 0
		return report
	}
	byCode := map[string]*reportStatus{}
	for _, r := range b.recipients {
		s := b.state(r, now)
		if !keep(s) {
			continue
		}
		row, ok := byCode[s.Code]
		if !ok {
			row = &reportStatus{Code: codeNumber(s.Code), Status: statusOf(s.Code)}
			byCode[s.Code] = row
		}
		row.Count++
		if full {
			row.Recipients = append(row.Recipients, r.number)
		}
	}
	for _, row := range byCode {
		report.Statuses = append(report.Statuses, *row)
	}
	slices.SortFunc(report.Statuses, func(x, y reportStatus) int { return cmp.Compare(x.Code, y.Code) })
	return report
}

func (b *batch) recipientReport(number string, s sinchsim.Step) recipientReport {
	report := recipientReport{
		Type: "recipient_delivery_report_" + b.request.form(), BatchID: b.id, Recipient: number,
		Code: codeNumber(s.Code), Status: statusOf(s.Code), At: sinchsim.FormatTime(s.At), Reference: b.request.Reference,
	}
	if s.Code == codeDelivered || s.Code == codeDispatched {
		report.OperatorAt, report.Operator = sinchsim.FormatTime(s.At), sinchsim.OperatorID
	}
	return report
}

// stepFilter reads the status and code parameters of a report.
func stepFilter(values url.Values) func(sinchsim.Step) bool {
	statuses, codes := splitWords(values.Get("status")), splitWords(values.Get("code"))
	return func(s sinchsim.Step) bool {
		return (len(statuses) == 0 || slices.ContainsFunc(statuses, func(want string) bool {
			return strings.EqualFold(want, statusOf(s.Code))
		})) && (len(codes) == 0 || slices.Contains(codes, strconv.Itoa(codeNumber(s.Code))))
	}
}

func splitWords(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

func (a *api) batchReport(w http.ResponseWriter, r *http.Request) {
	b, ok := a.lookup(w, r, sinchsim.OperationReport)
	if !ok {
		return
	}
	kind := r.URL.Query().Get("type")
	if kind != "" && kind != reportSummary && kind != reportFull {
		badFormat(kind, "type").reply().Write(w)
		return
	}
	report := b.summary(time.Now(), kind == reportFull, stepFilter(r.URL.Query()))
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(report)}.Write(w)
}

func (a *api) recipientReport(w http.ResponseWriter, r *http.Request) {
	b, ok := a.lookup(w, r, sinchsim.OperationReport)
	if !ok {
		return
	}
	number := sinchsim.Bare(r.PathValue("number"))
	i := slices.IndexFunc(b.recipients, func(r recipient) bool { return r.number == number })
	if i < 0 || b.scheduledOnly() {
		sinchsim.Reply{Status: http.StatusNotFound}.Write(w)
		return
	}
	report := b.recipientReport(number, b.state(b.recipients[i], time.Now()))
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(report)}.Write(w)
}

type reportPage struct {
	Count    int               `json:"count"`
	Page     int               `json:"page"`
	PageSize int               `json:"page_size"`
	Reports  []recipientReport `json:"delivery_reports"`
}

// listReports lists finished reports, newest batch first.
func (a *api) listReports(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIBatches, sinchsim.OperationReport)
	q, refused := parseQuery(r.URL.Query(), call.At)
	if refused != nil {
		a.sim.RecordLookup(call.Answered(refused.label()))
		refused.reply().Write(w)
		return
	}
	a.sim.RecordLookup(call.About(q.Reference).Answered("ok"))
	keep := stepFilter(r.URL.Query())
	found := a.store.Find(q.Reference, func(b *batch) bool {
		return b.plan == r.PathValue("plan") && a.visible(b, call.At) && !b.scheduledOnly()
	})
	all := []recipientReport{}
	for _, b := range found {
		for _, r := range b.recipients {
			if s := b.state(r, call.At); isFinal(s.Code) && q.Covers(s.At) && keep(s) {
				all = append(all, b.recipientReport(r.number, s))
			}
		}
	}
	page := reportPage{Count: len(all), Page: q.Page, Reports: sinchsim.PageOf(q, all)}
	page.PageSize = len(page.Reports)
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(page)}.Write(w)
}
