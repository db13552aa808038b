package messagelog_test

import (
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(redistest.Main(m))) }
