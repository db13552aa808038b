package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"mmsdispatch/internal/sinch/wire"
)

// checkBatches lists one batch.
func (e *examination) checkBatches(ctx context.Context, n *findings, base string) {
	answer, ok := e.call(ctx, n, wire.Request{
		Method: http.MethodGet,
		URL:    base + "/xms/v1/" + url.PathEscape(string(e.cfg.Sinch.ServicePlanID)) + "/batches?page_size=1",
		Header: http.Header{"Authorization": {"Bearer " + e.cfg.Sinch.APIToken.Reveal()}},
	})
	if ok {
		n.note(host(base), batchesVerdict(answer))
	}
}

func batchesVerdict(answer wire.Response) verdict {
	if answer.Status != http.StatusOK {
		return byStatus(answer.Status, "SINCH_API_TOKEN and SINCH_SERVICE_PLAN_ID")
	}
	var page struct {
		Batches *json.RawMessage `json:"batches"`
	}
	if err := json.Unmarshal(answer.Body, &page); !answer.Partial && (err != nil || page.Batches == nil) {
		return unexpected(unexpectedFix)
	}
	return verdict{OK, "accepts the token for the service plan. Whether MMS is switched on for it, only a message shows", ""}
}
