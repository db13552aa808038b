// Command main sends a batch with a client generated from the API's document.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"mmsdispatch/tools/mms"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, key string) error {
	client, err := mms.NewClientWithResponses(server, mms.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	if err != nil {
		return err
	}
	media, text := "https://media.example.com/a.jpg", "Hi"
	first, second := "+12065551212", "+12065551213"
	batch, err := client.CreateBatchWithResponse(ctx, nil, mms.BatchRequest{
		Defaults: &mms.BatchItem{MediaUrl: &media},
		Messages: []mms.BatchItem{{To: &first}, {To: &second, Text: &text}},
	})
	if err != nil {
		return err
	}
	if batch.JSON202 == nil || batch.JSON202.Accepted != 2 || batch.JSON202.Id == nil {
		return fmt.Errorf("the batch: %s %s", batch.Status(), batch.Body)
	}
	id := *batch.JSON202.Results[0].Id
	message, err := client.GetMessageWithResponse(ctx, id, nil)
	if err != nil {
		return err
	}
	if message.JSON200 == nil || message.JSON200.Id != id || message.JSON200.CreatedAt.IsZero() || message.JSON200.SendAt != nil {
		return fmt.Errorf("the message: %s %s", message.Status(), message.Body)
	}
	canceled, err := client.CancelBatchWithResponse(ctx, *batch.JSON202.Id, nil)
	if err != nil {
		return err
	}
	if canceled.JSON200 == nil || canceled.JSON200.Status != mms.BatchStatusCanceled {
		return fmt.Errorf("the cancel: %s %s", canceled.Status(), canceled.Body)
	}
	single, err := client.CreateMessageWithResponse(ctx, nil, mms.MessageRequest{To: first, MediaUrl: &media})
	if err != nil {
		return err
	}
	if single.JSON202 == nil || single.JSON202.Id == "" {
		return fmt.Errorf("a message: %s %s", single.Status(), single.Body)
	}
	refused, err := client.CreateMessageWithResponse(ctx, nil, mms.MessageRequest{To: "nobody"})
	if err != nil {
		return err
	}
	if refused.ApplicationproblemJSON400 == nil || len(*refused.ApplicationproblemJSON400.Errors) != 2 {
		return fmt.Errorf("a refusal: %s %s", refused.Status(), refused.Body)
	}
	return nil
}
