export { exactLaw } from "./exact-law.ts";
export { modelLaws, type ModelLawsOptions, treeModelLaws } from "./model-laws.ts";
export { tableModel, type TableModelOptions } from "./table-model.ts";
