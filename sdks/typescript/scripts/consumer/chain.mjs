// A client that calls a server that calls a server.
import { current, Towline, withTowline, wrapFetch } from "towline";
import { chain } from "./chain.cjs";

await chain({ current, Towline, withTowline, wrapFetch });
