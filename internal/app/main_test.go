package app

import (
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }
