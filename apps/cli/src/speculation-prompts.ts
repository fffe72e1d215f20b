/** What `veridraft bench speculation` asks: eight prompts of each class, none of which anything was tuned on. */
const glacier = `A glacier is a body of dense ice that moves under its own weight. It forms where snow falls faster than it melts over many years. The Aletsch glacier in Switzerland is about twenty kilometres long, and at its thickest point the ice is some eight hundred metres deep. Since 1870 its tongue has drawn back by more than three kilometres.`;
const market = `The Saturday market on Corn Street opens at half past seven. Thirty farms from the valley sell vegetables, cheese, bread and honey. Dogs are welcome if they are kept on a lead. There is no parking in the street itself, but the car park behind the station is free until noon. The last stalls close at two.`;
const printing = `Before printing, a book was copied by hand, and a copy could take a scribe a year. Around 1450 Johannes Gutenberg began to print with movable metal type in Mainz. Within fifty years there were presses in more than two hundred towns, and some twenty million volumes had been printed. Books became cheaper, and more people learned to read.`;
const email = `Dear team, the heating on the third floor will be switched off on Tuesday from eight to twelve, since two valves must be replaced. Please keep the windows closed and move plants away from the radiators. If you have a meeting with visitors, book a room on the first floor. Questions go to Nadia Brook, extension 417.`;
const bees = `Honey bees tell each other where flowers are by dancing. A bee that has found food runs in a straight line across the comb, wagging her body, then returns in a loop and starts again. The angle of the run shows the direction with respect to the sun, and its length shows the distance: about one second for each kilometre.`;
const train = `The 9:40 train to Lewes will leave from platform 4 instead of platform 2. It calls at Three Bridges, Haywards Heath and Wivelsfield. Bicycles are allowed in the last carriage only. Owing to works near Balcombe the journey takes twelve minutes longer than usual. Tickets for the 9:10 are valid on this train.`;
const recipe = `Wash 500 grams of lentils and cook them in a litre of water for twenty-five minutes. Chop two onions, three carrots and a stick of celery, and fry them slowly in olive oil. Add a spoonful of tomato paste and the lentils with their water. Season with salt, pepper and a little vinegar. Serve with bread and yoghurt.`;
const lighthouse = `The lighthouse on Skerry Point was lit for the first time on 3 November 1846. Its lamp burned whale oil, later paraffin, and since 1931 it has been electric. The tower is 38 metres high and has 172 steps. The last keeper, Tom Aird, left in 1989, when the light became automatic. In summer the gallery is open to visitors on Sundays.`;
const texts = [glacier, market, printing, email, bees, train, recipe, lighthouse];

const changes = [
  ["Aletsch", "Rhone"],
  ["Saturday", "Wednesday"],
  ["Gutenberg", "Schmidt"],
  ["Tuesday", "Thursday"],
  ["bees", "ants"],
  ["platform 4", "platform 7"],
  ["lentils", "beans"],
  ["Skerry Point", "Gull Rock"],
];

/** Prompts by class. */
export const speculationPrompts: Readonly<Record<string, readonly string[]>> = {
  chat: [
    "How do I keep a houseplant alive while I am away for two weeks?",
    "What is the difference between weather and climate?",
    "I feel nervous before exams. What can I do?",
    "Why do cats purr?",
    "Tell me something surprising about octopuses.",
    "How does a bicycle stay upright?",
    "What should I cook for four friends on a cold evening?",
    "Is it better to learn the piano or the guitar first?",
  ],
  code: [
    "Write a Python function that returns the n largest numbers of a list.",
    "Write a JavaScript function that debounces another function.",
    "Write a C function that reverses a string in place.",
    "Write a Python class for a bank account with deposit, withdraw and balance.",
    "Write a shell script that counts the lines of all text files in a folder.",
    "Write an HTML page with a form that asks for a name and an email address.",
    "Write a Rust function that checks whether a number is prime.",
    "Write a SQL statement that creates a table of books with an author and a year.",
  ],
  summarise: texts.map((text) => `Summarise this text in two sentences:\n${text}`),
  rewrite: texts.map(
    (text, i) =>
      `Repeat this text word for word, but write "${changes[i][1]}" instead of "${changes[i][0]}":\n${text}`,
  ),
  list: texts.map((text) => `List the facts of this text, one a line, in its own words:\n${text}`),
  maths: [
    "A shop sells pens at 3 for 2 euros. How much do 18 pens cost?",
    "A train leaves at 8:15 and arrives at 11:40. How long is the journey?",
    "What is 15 percent of 240? Explain each step.",
    "Solve 3x + 7 = 25 for x and show your work.",
    "A rectangle is 12 metres long and 5 metres wide. Find its area and its perimeter.",
    "Anna has twice as many apples as Ben. Together they have 27. How many does each have?",
    "What is the sum of the numbers from 1 to 20?",
    "A car uses 6 litres of petrol for 100 kilometres. How much does it use for 350 kilometres?",
  ],
};
