export { extract } from "./codec";
export { openTelemetry } from "./opentelemetry";
