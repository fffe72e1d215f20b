export { exactLaw } from "./exact-law.ts";
export { forwardModel, type ForwardModelOptions } from "./forward-model.ts";
export { modelLaws, type ModelLawsOptions, treeModelLaws } from "./model-laws.ts";
export { tableModel, type TableModelOptions } from "./table-model.ts";
