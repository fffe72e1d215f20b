/** Server reflection, so that grpcurl and the like need no proto files. */
import type { Service } from "./service.ts";

/** What the reflection package asks of a server. */
interface ServiceRegistry {
  addService(definition: object, implementation: object): void;
}

/** Adds the reflection services (v1 and v1alpha). Their packages are loaded only here: they take a while. */
export async function addReflection(
  server: ServiceRegistry,
  services: readonly Service[],
): Promise<void> {
  const [{ ReflectionService }, loader, health, { image }] = await Promise.all([
    import("@grpc/reflection"),
    import("@grpc/proto-loader"),
    import("grpc-health-check"),
    import("./gen/image.ts"),
  ]);
  const contract = loader.loadFileDescriptorSetFromBuffer(Buffer.from(image.join(""), "base64"));
  const descriptors = { ...contract, ...loader.loadSync(health.protoPath) };
  const names = [...services.map((each) => each.name), "grpc.health.v1.Health"];
  new ReflectionService(descriptors, { services: names }).addToServer(server as never);
}
