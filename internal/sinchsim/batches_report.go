package sinchsim

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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

// state is the latest step of a recipient at a moment. Canceling stops what was
// not dispatched by then.
func (b *batch) state(r recipient, now time.Time) step {
	canceled := b.canceledAt()
	at := step{code: codeQueued, at: b.created}
	for _, s := range r.steps {
		if !canceled.IsZero() && at.code == codeQueued && s.at.After(canceled) {
			return step{codeCancelled, canceled}
		}
		if s.at.After(now) {
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

func (b *batch) summary(now time.Time, full bool, keep func(step) bool) batchReport {
	report := batchReport{
		Type: "delivery_report_mms", BatchID: b.id, Total: len(b.recipients),
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
		row, ok := byCode[s.code]
		if !ok {
			row = &reportStatus{Code: codeNumber(s.code), Status: xmsStatus(s.code)}
			byCode[s.code] = row
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

func (b *batch) recipientReport(number string, s step) recipientReport {
	report := recipientReport{
		Type: "recipient_delivery_report_mms", BatchID: b.id, Recipient: number,
		Code: codeNumber(s.code), Status: xmsStatus(s.code), At: xmsTime(s.at), Reference: b.request.Reference,
	}
	if s.code == codeDelivered || s.code == codeDispatched {
		report.OperatorAt, report.Operator = xmsTime(s.at), operatorID
	}
	return report
}

// stepFilter reads the status and code parameters of a report.
func stepFilter(values url.Values) func(step) bool {
	statuses, codes := splitWords(values.Get("status")), splitWords(values.Get("code"))
	return func(s step) bool {
		return (len(statuses) == 0 || slices.ContainsFunc(statuses, func(want string) bool {
			return strings.EqualFold(want, xmsStatus(s.code))
		})) && (len(codes) == 0 || slices.Contains(codes, strconv.Itoa(codeNumber(s.code))))
	}
}

func splitWords(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

func (a *batchesAPI) batchReport(w http.ResponseWriter, r *http.Request) {
	b, ok := a.lookup(w, r, operationReport)
	if !ok {
		return
	}
	kind := r.URL.Query().Get("type")
	if kind != "" && kind != reportSummary && kind != reportFull {
		badFormat(kind, "type").reply().write(w)
		return
	}
	report := b.summary(time.Now(), kind == reportFull, stepFilter(r.URL.Query()))
	reply{status: http.StatusOK, body: encode(report)}.write(w)
}

func (a *batchesAPI) recipientReport(w http.ResponseWriter, r *http.Request) {
	b, ok := a.lookup(w, r, operationReport)
	if !ok {
		return
	}
	number := bare(r.PathValue("number"))
	i := slices.IndexFunc(b.recipients, func(r recipient) bool { return r.number == number })
	if i < 0 || b.scheduledOnly() {
		reply{status: http.StatusNotFound}.write(w)
		return
	}
	report := b.recipientReport(number, b.state(b.recipients[i], time.Now()))
	reply{status: http.StatusOK, body: encode(report)}.write(w)
}

type reportPage struct {
	Count    int               `json:"count"`
	Page     int               `json:"page"`
	PageSize int               `json:"page_size"`
	Reports  []recipientReport `json:"delivery_reports"`
}

// listReports lists finished reports, newest batch first.
func (a *batchesAPI) listReports(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIBatches, operationReport)
	q, refused := parseQuery(r.URL.Query(), call.At)
	if refused != nil {
		a.sim.recorder.recordLookup(call.answered(refused.label()))
		refused.reply().write(w)
		return
	}
	a.sim.recorder.recordLookup(call.about(q.reference).answered("ok"))
	keep := stepFilter(r.URL.Query())
	found := a.store.find(q.reference, func(b *batch) bool {
		return b.plan == r.PathValue("plan") && a.visible(b, call.At) && !b.scheduledOnly()
	})
	all := []recipientReport{}
	for _, b := range found {
		for _, r := range b.recipients {
			if s := b.state(r, call.At); isFinal(s.code) && q.covers(s.at) && keep(s) {
				all = append(all, b.recipientReport(r.number, s))
			}
		}
	}
	page := reportPage{Count: len(all), Page: q.page, Reports: pageOf(q, all)}
	page.PageSize = len(page.Reports)
	reply{status: http.StatusOK, body: encode(page)}.write(w)
}
