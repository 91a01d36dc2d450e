"""What Towline costs on a request, a call and a header, beside OpenTelemetry's instrumentation."""
