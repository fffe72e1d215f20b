/**
 * What the smoothing of activations is measured on: kinds of text that a model may meet, written for this file but for the passages that name an
 * author, which are in the public domain.
 */
export const calibrationText = `Jane Austen, Pride and Prejudice, 1813

It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he is considered as the rightful property of some one or other of their daughters.

"My dear Mr. Bennet," said his lady to him one day, "have you heard that Netherfield Park is let at last?"

Mr. Bennet replied that he had not.

Herman Melville, Moby-Dick, 1851

Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world. It is a way I have of driving off the spleen and regulating the circulation. Whenever I find myself growing grim about the mouth; whenever it is a damp, drizzly November in my soul; whenever I find myself involuntarily pausing before coffin warehouses, and bringing up the rear of every funeral I meet, then, I account it high time to get to sea as soon as I can.

Abraham Lincoln, Gettysburg, 1863

Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, and dedicated to the proposition that all men are created equal. Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and so dedicated, can long endure. We are met on a great battle-field of that war.

A weather report

Rain will spread from the west during the morning and reach the east coast by about 15:00. Temperatures between 4 and 9 °C, colder on high ground, with snow above 600 m. Winds of 40 to 60 km/h, in exposed places up to 95 km/h, ease towards midnight. Sunday: dry at first, then showers, some of them heavy; sunrise 7:42, sunset 16:05.

How a lock works

A canal lock lifts boats from one level of water to another. It is a chamber with gates at both ends. To go up, a boat enters through the lower gates, which are then closed behind it. Paddles in the upper gates are opened, water flows in from above, and the boat rises with it. When the level in the chamber equals that of the upper reach, the pressure on both sides of the gates is the same and they can be pushed open by hand. No pump is needed: the only power is that of the water, which runs downhill through the lock with every passage, some two hundred thousand litres each time.

<|im_start|>system
You are a helpful assistant.<|im_end|>
<|im_start|>user
What is the difference between a virus and a bacterium? Answer in three sentences.<|im_end|>
<|im_start|>assistant
Bacteria are single living cells that take in food, grow and divide by themselves, and most of them are harmless or useful to us. A virus is far smaller, has no metabolism of its own, and multiplies only inside the cells of a host, which it makes produce copies of it. That is why antibiotics, which disturb the life of a bacterial cell, do nothing against a virus.<|im_end|>
<|im_start|>user
Give me a shopping list for pancakes, as bullet points.<|im_end|>
<|im_start|>assistant
- 250 g of flour
- 2 eggs
- 400 ml of milk
- 1 pinch of salt
- 2 tablespoons of sugar
- butter for the pan<|im_end|>

A word list

apple, bridge, candle, desert, engine, forest, garden, harbour, island, jacket, kettle, ladder, mirror, needle, orchard, pencil, quarry, ribbon, saddle, thunder, umbrella, valley, window, yard, zebra.

Two exercises

1. A train leaves at 9:10 and arrives at 11:35. It covers 174 km. How fast is it on average? The journey takes 2 h 25 min, that is 145 minutes or 2.4167 hours. 174 / 2.4167 = 72. The average speed is 72 km/h.
2. Solve x^2 - 5x + 6 = 0. The product of the roots is 6 and their sum 5, so they are 2 and 3: (x - 2)(x - 3) = x^2 - 5x + 6.

In other languages

Der Zug nach München fährt heute von Gleis sieben ab und hat etwa zehn Minuten Verspätung. Le marché se tient tous les samedis matin sur la place de l'église. El museo cierra los lunes, pero el jardín está abierto todo el año. Il treno per Roma parte tra mezz'ora.

A function in JavaScript

/** Groups the items of a list by a key. */
export function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

A function in C

static size_t count_words(const char *text) {
    size_t words = 0;
    int inside = 0;
    for (; *text != '\\0'; text++) {
        if (isspace((unsigned char)*text)) {
            inside = 0;
        } else if (!inside) {
            inside = 1;
            words++;
        }
    }
    return words;
}

A query

SELECT customers.name, COUNT(*) AS orders, SUM(orders.total) AS revenue
FROM customers JOIN orders ON orders.customer_id = customers.id
WHERE orders.placed_at >= '2024-01-01'
GROUP BY customers.name
HAVING COUNT(*) > 3
ORDER BY revenue DESC
LIMIT 10;

A configuration

{"name": "harbour-lights", "version": "2.3.1", "private": true, "servers": [{"host": "10.0.0.12", "port": 8443, "tls": true}, {"host": "10.0.0.13", "port": 8443, "tls": false}], "retry": {"attempts": 5, "delayMs": 250, "factor": 1.5}, "tags": ["blue", "green"], "owner": null}

A page

<!DOCTYPE html>
<html lang="en">
  <head><title>Opening hours</title><link rel="stylesheet" href="/style.css"></head>
  <body>
    <h1>Opening hours</h1>
    <table>
      <tr><td>Monday to Friday</td><td>9 am to 6 pm</td></tr>
      <tr><td>Saturday</td><td>10 am to 4 pm</td></tr>
    </table>
  </body>
</html>

A log

2024-03-18T06:12:44.031Z INFO  [worker-3] job 81244 started: resize 1920x1080 -> 640x360
2024-03-18T06:12:44.907Z WARN  [worker-3] job 81244: colour profile is missing, sRGB is assumed
2024-03-18T06:12:45.312Z ERROR [worker-1] job 81239 failed after 3 attempts: connection reset by peer

A letter

Dear Ms Okafor,

thank you for your message of 12 February. I am sorry to hear that the second parcel has not arrived. According to our records it left the warehouse on the 9th and was handed to the carrier the same evening; since then there has been no news of it. I have asked them to look for it. Should they not find it by Friday, we will send you a new one at no charge, or return the amount of 84.50 euros to your account, whichever you prefer.

With kind regards,
Thomas Berg

The sea at night

The lamp on the jetty went out shortly after two. For a while nothing could be seen at all; then, little by little, the water began to give back what light there was, and the boats came forward out of the dark, one behind the other, like people who had been waiting to be asked in. Somewhere a chain moved. Anna counted to forty, put down her bag and whistled twice, as they had agreed. Nobody answered. "If he has gone home," she thought, "I shall never forgive him," and in the same moment she heard, from quite another side, the sound of oars.
`;
