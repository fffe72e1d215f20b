/** Limits that both ends share. */

/** Most bytes of a message unless another limit is set. */
export const defaultMaxMessageBytes = 16 * 1024 * 1024;

/** Bytes a peer may send on one stream before they are read: less slows large messages down. */
export const flowControlWindow = 4 * 1024 * 1024;
