import towline = require("towline");

export const middleware: towline.Middleware = towline.towline({
	serviceName: "types",
});
export const stamp: towline.Clock | undefined = towline.current()?.event();
