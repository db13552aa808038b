package httpapi_test

import (
	"errors"
	"testing"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// TestGoClient: the package client and this API agree, in requests, responses and
// problems.
func TestGoClient(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	c, err := client.New(b.url, liveKey, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	request := client.MessageRequest{
		To: "+12065551212", MediaURL: "https://media.example.com/a.jpg", Template: true, Text: "Hi {{name}}", Variables: map[string]*string{"name": new("Ann")},
		Metadata: map[string]string{"order": "7"}, Priority: openapi.PriorityHigh, ClientReference: "go-client-1",
	}
	preview, err := c.DryRun(ctx, request)
	if err != nil || *preview.Text != "Hi Ann" {
		t.Fatalf("%+v, %v", preview, err)
	}
	sent, err := c.Send(ctx, request)
	if err != nil || sent.Duplicate || *sent.Text != "Hi Ann" || sent.Metadata["order"] != "7" || sent.Status != openapi.StatusQueued || sent.SentAt != nil {
		t.Fatalf("%+v, %v", sent, err)
	}
	if again, err := c.Send(ctx, request); err != nil || !again.Duplicate || again.ID != sent.ID {
		t.Errorf("%+v, %v", again, err)
	}
	unnamed, err := c.Send(ctx, client.MessageRequest{To: "+12065551213", Media: []string{"https://media.example.com/a.jpg"}})
	if err != nil || unnamed.ClientReference == nil || unnamed.Duplicate {
		t.Errorf("%+v, %v", unnamed, err)
	}
	if got, err := c.Get(ctx, sent.ID); err != nil || got.ID != sent.ID || len(got.Timeline) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if canceled, err := c.Cancel(ctx, sent.ID); err != nil || canceled.Status != openapi.StatusCanceled {
		t.Errorf("%+v, %v", canceled, err)
	}
	if waited, err := c.Wait(ctx, sent.ID, nil); err != nil || waited.Status != openapi.StatusCanceled {
		t.Errorf("%+v, %v", waited, err)
	}
	answer, err := c.SendBatch(ctx, client.BatchRequest{
		Defaults: &client.BatchItem{MediaURL: "https://media.example.com/a.jpg"}, MaxPerSecond: 0.1,
		Messages: []client.BatchItem{{To: "+12065551214"}, {To: "nobody"}},
	})
	if err != nil || answer.Accepted != 1 || answer.Rejected != 1 || answer.Results[1].Error[0].Field != "to" {
		t.Fatalf("%+v, %v", answer, err)
	}
	if batch, err := c.GetBatch(ctx, *answer.ID); err != nil || *batch.MaxPerSecond != 0.1 || batch.Status != openapi.BatchStatusRunning {
		t.Errorf("%+v, %v", batch, err)
	}
	listed := 0
	for m, err := range c.List(ctx, client.Filter{BatchID: *answer.ID}) {
		if err != nil || *m.To != "+12065551214" {
			t.Fatalf("%+v, %v", m, err)
		}
		listed++
	}
	if listed != 1 {
		t.Errorf("%d messages of the batch are listed", listed)
	}
	_, err = c.Send(ctx, client.MessageRequest{To: "nobody"})
	problem, ok := errors.AsType[*client.Error](err)
	if !ok || problem.Code != openapi.ProblemCodeValidationFailed || len(problem.Errors) != 2 || problem.RequestID == "" {
		t.Errorf("%v", err)
	}
	request.Text = "Bye {{name}}"
	if _, err := c.Send(ctx, request); !client.HasCode(err, openapi.ProblemCodeClientReferenceReused) {
		t.Errorf("%v", err)
	}
}
